/**
 * The V8 inspector of a server we started with `--inspect`: forces a full collection before memory is read, and runs a
 * loop-delay histogram inside the server. Needs nothing from the server's code.
 */
interface Reply {
  id: number;
  result?: { result?: { value?: unknown }; exceptionDetails?: unknown };
}

/** Memory of a server after a full collection. */
export interface LiveMemory {
  /** Live objects in the JavaScript heap. */
  heapUsed: number;
  /** Buffers and other memory outside the heap that live objects hold. */
  external: number;
  rss: number;
}

/** A session with an inspector. */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', (event) => {
      const reply = JSON.parse(String(event.data)) as Reply;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  static open(url: string): Promise<Inspector> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.addEventListener('open', () => resolve(new Inspector(socket)));
      socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
    });
  }

  close(): void {
    this.#socket.close();
  }

  /** Runs an expression in the server and returns its JSON value. */
  async evaluate(expression: string): Promise<unknown> {
    const reply = await this.#send('Runtime.evaluate', { expression, returnByValue: true });
    return reply.result?.result?.value;
  }

  /** Collects everything that can be collected, then reads the memory. */
  async liveMemory(): Promise<LiveMemory> {
    await this.#send('HeapProfiler.enable', {});
    // Twice: finalizers of the first run free what the second one collects.
    await this.#send('HeapProfiler.collectGarbage', {});
    await this.#send('HeapProfiler.collectGarbage', {});
    return (await this.evaluate('process.memoryUsage()')) as LiveMemory;
  }

  /** Starts to record how late timers fire. */
  async startLoopWatch(): Promise<void> {
    await this.evaluate(
      `globalThis.benchLoop = process.getBuiltinModule('node:perf_hooks').monitorEventLoopDelay({ resolution: 5 });
       globalThis.benchLoop.enable()`,
    );
  }

  /** Stops recording. Times in ms, the timer's own 5 ms taken off. */
  async stopLoopWatch(): Promise<{ p50: number; p99: number; max: number }> {
    const value = await this.evaluate(
      `(() => { const h = globalThis.benchLoop; h.disable();
        const ms = (ns) => Math.max(0, ns / 1e6 - 5);
        return { p50: ms(h.percentile(50)), p99: ms(h.percentile(99)), max: ms(h.max) }; })()`,
    );
    return value as { p50: number; p99: number; max: number };
  }

  #send(method: string, params: object): Promise<Reply> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
