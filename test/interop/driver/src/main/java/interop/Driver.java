package interop;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Official registry clients under the control of a test suite. Reads commands from standard input, one per line, answers
 * each with {@code ok} or {@code err}, and reports what observers see as {@code data} and {@code config} lines.
 *
 * <pre>
 *   request  = id TAB command TAB argument*
 *   ok       = "ok" TAB id TAB result*
 *   err      = "err" TAB id TAB message
 *   data     = "data" TAB name TAB localZone TAB ms (zone TAB count TAB value{count})*
 *   config   = "config" TAB name TAB ms TAB value-or-null
 * </pre>
 *
 * Commands: connect, publish, republish, subscribe, configure, unregister, unregisterId, registered, peek, bulkPublish,
 * bulkSubscribe, bulkRegistered, versions, exit, halt. The process ends when standard input does.
 */
public final class Driver {
  private final PrintStream out;
  private final Clients clients;

  private Driver(PrintStream out) {
    this.out = out;
    this.clients = new Clients(fields -> Line.print(out, fields));
  }

  public static void main(String[] args) throws Exception {
    // Libraries that print must not mix with the protocol: the real standard output is ours alone.
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    System.setOut(System.err);
    Driver driver = new Driver(out);
    Line.print(out, Arrays.asList("ready", String.valueOf(ProcessHandle.current().pid())));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) driver.handle(Line.parse(line));
    Runtime.getRuntime().halt(0);
  }

  private void handle(String[] fields) {
    String id = fields[0];
    String[] args = Arrays.copyOfRange(fields, 2, fields.length);
    try {
      List<String> reply = new ArrayList<>(Arrays.asList("ok", id));
      reply.addAll(run(fields[1], args));
      Line.print(out, reply);
    } catch (Exception e) {
      Line.print(out, Arrays.asList("err", id, String.valueOf(e)));
    }
  }

  private List<String> run(String command, String[] a) throws Exception {
    switch (command) {
      case "connect":
        clients.connect(a[0], a[1], Integer.parseInt(a[2]), a[3], a[4], a[5]);
        return List.of();
      case "publish":
        return List.of(clients.publish(a[0], a[1], a[2], a[3], from(a, 4)));
      case "republish":
        clients.republish(a[0], from(a, 1));
        return List.of();
      case "subscribe":
        return List.of(clients.subscribe(a[0], a[1], a[2], a[3], a[4]));
      case "configure":
        return List.of(clients.configure(a[0], a[1], a[2]));
      case "unregister":
        clients.unregister(a[0]);
        return List.of();
      case "unregisterId":
        return List.of(String.valueOf(clients.unregisterId(a[0], a[1], a[2], a[3])));
      case "registered":
        return List.of(String.valueOf(clients.registered(a[0])));
      case "peek":
        return clients.peek(a[0]);
      case "bulkPublish":
        clients.bulkPublish(a[0], a[1], a[2], Integer.parseInt(a[3]));
        return List.of();
      case "bulkSubscribe":
        clients.bulkSubscribe(a[0], a[1], a[2], Integer.parseInt(a[3]));
        return List.of();
      case "bulkRegistered":
        return List.of(String.valueOf(clients.bulkRegistered(a[0])));
      case "exit":
        System.exit(0);
        return List.of();
      case "halt":
        // As a crash: no shutdown hook runs, the system closes the sockets.
        Runtime.getRuntime().halt(137);
        return List.of();
      default:
        throw new IllegalArgumentException("no such command: " + command);
    }
  }

  private static String[] from(String[] a, int start) {
    return Arrays.copyOfRange(a, start, a.length);
  }
}
