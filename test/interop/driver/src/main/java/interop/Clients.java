package interop;

import com.alipay.sofa.registry.client.api.Configurator;
import com.alipay.sofa.registry.client.api.Publisher;
import com.alipay.sofa.registry.client.api.Register;
import com.alipay.sofa.registry.client.api.Subscriber;
import com.alipay.sofa.registry.client.api.model.RegistryType;
import com.alipay.sofa.registry.client.api.model.UserData;
import com.alipay.sofa.registry.client.api.registration.ConfiguratorRegistration;
import com.alipay.sofa.registry.client.api.registration.PublisherRegistration;
import com.alipay.sofa.registry.client.api.registration.SubscriberRegistration;
import com.alipay.sofa.registry.client.provider.DefaultRegistryClient;
import com.alipay.sofa.registry.client.provider.DefaultRegistryClientConfigBuilder;
import com.alipay.sofa.registry.core.model.ScopeEnum;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/** The clients of this process and their registrations, each under a name the test chose. Used by one thread. */
final class Clients {
  private final Map<String, DefaultRegistryClient> clients = new HashMap<>();
  private final Map<String, Register> registers = new HashMap<>();
  private final Map<String, List<Register>> bulks = new HashMap<>();
  private final Consumer<List<String>> events;

  Clients(Consumer<List<String>> events) {
    this.events = events;
  }

  void connect(String name, String host, int httpPort, String zone, String dataCenter, String app) {
    DefaultRegistryClient client =
        new DefaultRegistryClient(
            DefaultRegistryClientConfigBuilder.start()
                .setRegistryEndpoint(host)
                .setRegistryEndpointPort(httpPort)
                .setZone(zone)
                .setDataCenter(dataCenter)
                .setAppName(app)
                .build());
    client.init();
    clients.put(name, client);
  }

  String publish(String client, String name, String dataId, String group, String[] values) {
    PublisherRegistration registration = new PublisherRegistration(dataId);
    registration.setGroup(group);
    Publisher publisher = client(client).register(registration, values);
    registers.put(name, publisher);
    return publisher.getRegistId();
  }

  void republish(String name, String[] values) {
    ((Publisher) register(name)).republish(values);
  }

  String subscribe(String client, String name, String dataId, String group, String scope) {
    SubscriberRegistration registration =
        new SubscriberRegistration(
            dataId,
            (id, data) -> {
              List<String> line = new ArrayList<>(Arrays.asList("data", name));
              line.addAll(describe(data));
              events.accept(line);
            });
    registration.setGroup(group);
    registration.setScopeEnum(ScopeEnum.valueOf(scope));
    Subscriber subscriber = client(client).register(registration);
    registers.put(name, subscriber);
    return subscriber.getRegistId();
  }

  String configure(String client, String name, String dataId) {
    Configurator configurator =
        client(client)
            .register(
                new ConfiguratorRegistration(
                    dataId,
                    (id, data) ->
                        events.accept(Arrays.asList("config", name, nowMs(), data == null ? null : data.getData()))));
    registers.put(name, configurator);
    return configurator.getRegistId();
  }

  void unregister(String name) {
    register(name).unregister();
  }

  int unregisterId(String client, String dataId, String group, String type) {
    return client(client).unregister(dataId, group, RegistryType.valueOf(type));
  }

  boolean registered(String name) {
    return register(name).isRegistered();
  }

  List<String> peek(String name) {
    return describe(((Subscriber) register(name)).peekData());
  }

  void bulkPublish(String client, String bulk, String group, int count) {
    List<Register> list = bulks.computeIfAbsent(bulk, key -> new ArrayList<>());
    for (int i = 0; i < count; i++) {
      PublisherRegistration registration = new PublisherRegistration(bulk + "." + i);
      registration.setGroup(group);
      list.add(client(client).register(registration, "value-" + i));
    }
  }

  void bulkSubscribe(String client, String bulk, String group, int count) {
    List<Register> list = bulks.computeIfAbsent(bulk, key -> new ArrayList<>());
    for (int i = 0; i < count; i++) {
      String name = bulk + "." + i;
      SubscriberRegistration registration =
          new SubscriberRegistration(
              name,
              (id, data) -> {
                List<String> line = new ArrayList<>(Arrays.asList("data", name));
                line.addAll(describe(data));
                events.accept(line);
              });
      registration.setGroup(group);
      registration.setScopeEnum(ScopeEnum.global);
      list.add(client(client).register(registration));
    }
  }

  long bulkRegistered(String bulk) {
    return bulks.getOrDefault(bulk, List.of()).stream().filter(Register::isRegistered).count();
  }

  private static List<String> describe(UserData data) {
    List<String> out = new ArrayList<>(Arrays.asList(data.getLocalZone(), nowMs()));
    Map<String, List<String>> zones = data.getZoneData() == null ? Map.of() : data.getZoneData();
    new TreeMap<>(zones)
        .forEach(
            (zone, values) -> {
              out.add(zone);
              out.add(String.valueOf(values.size()));
              out.addAll(values);
            });
    return out;
  }

  private static String nowMs() {
    return String.valueOf(System.currentTimeMillis());
  }

  private DefaultRegistryClient client(String name) {
    DefaultRegistryClient client = clients.get(name);
    if (client == null) throw new IllegalArgumentException("no such client: " + name);
    return client;
  }

  private Register register(String name) {
    Register register = registers.get(name);
    if (register == null) throw new IllegalArgumentException("no such registration: " + name);
    return register;
  }
}
