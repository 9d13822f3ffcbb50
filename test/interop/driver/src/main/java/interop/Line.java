package interop;

import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * One line of the protocol between the test suite and a driver process: fields separated by tabs, each field
 * percent-encoded, so that any text travels and a line is always one line. A null field is written as the bare word
 * {@code ~null}.
 */
final class Line {
  private static final String NULL = "~null";

  private Line() {}

  static String[] parse(String line) {
    String[] fields = line.split("\t", -1);
    for (int i = 0; i < fields.length; i++) {
      fields[i] = fields[i].equals(NULL) ? null : URLDecoder.decode(fields[i], StandardCharsets.UTF_8);
    }
    return fields;
  }

  /** Writes one line; several threads call this. */
  static void print(PrintStream out, List<String> fields) {
    StringBuilder line = new StringBuilder();
    for (String field : fields) {
      if (line.length() > 0) line.append('\t');
      line.append(field == null ? NULL : URLEncoder.encode(field, StandardCharsets.UTF_8));
    }
    line.append('\n');
    synchronized (out) {
      out.print(line);
      out.flush();
    }
  }
}
