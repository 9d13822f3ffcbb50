package interop;

import com.alipay.sofa.rpc.config.ConsumerConfig;
import com.alipay.sofa.rpc.config.ProviderConfig;
import com.alipay.sofa.rpc.config.RegistryConfig;
import com.alipay.sofa.rpc.config.ServerConfig;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * A SOFARPC provider or consumer that finds its peers through the registry.
 *
 * <pre>
 *   Rpc provider registryHost:httpPort name rpcPort    prints "ready", serves until standard input ends
 *   Rpc consumer registryHost:httpPort                 prints "ready"; each line "call" is answered with
 *                                                      "answer NAME" or "fail CLASS"
 * </pre>
 */
public final class Rpc {
  private Rpc() {}

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    RegistryConfig registry = new RegistryConfig().setProtocol("sofa").setAddress(args[1]);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    if (args[0].equals("provider")) {
      provide(registry, args[2], Integer.parseInt(args[3]));
      out.println("ready");
      while (in.readLine() != null) continue;
    } else {
      Greeter greeter = consume(registry);
      out.println("ready");
      for (String line = in.readLine(); line != null; line = in.readLine()) out.println(call(greeter));
    }
    Runtime.getRuntime().halt(0);
  }

  private static void provide(RegistryConfig registry, String name, int port) {
    // The virtual host is what is announced; without it a loopback address is replaced by the machine's own.
    ServerConfig server =
        new ServerConfig()
            .setProtocol("bolt")
            .setHost("127.0.0.1")
            .setVirtualHost("127.0.0.1")
            .setPort(port)
            .setDaemon(true);
    new ProviderConfig<Greeter>()
        .setInterfaceId(Greeter.class.getName())
        .setRef(caller -> name)
        .setServer(server)
        .setRegistry(registry)
        .export();
  }

  private static Greeter consume(RegistryConfig registry) {
    return new ConsumerConfig<Greeter>()
        .setInterfaceId(Greeter.class.getName())
        .setProtocol("bolt")
        .setRegistry(registry)
        .setTimeout(2000)
        .setRetries(0)
        .setCheck(false)
        .refer();
  }

  private static String call(Greeter greeter) {
    try {
      return "answer " + greeter.greet("test");
    } catch (Throwable e) {
      return "fail " + e.getClass().getSimpleName();
    }
  }
}
