package interop;

/** The service of the end-to-end scenario. */
public interface Greeter {
  /** Answers with the name of the provider process that ran the call. */
  String greet(String caller);
}
