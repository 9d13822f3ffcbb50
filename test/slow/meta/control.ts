/** Lets a shell script restart nodes of a cluster that this process keeps. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Cluster } from '../../../bench/src/cluster/cluster.ts';

/** A listening port. */
export interface Control {
  /** `restart <address>` as a shell function. */
  readonly shell: string;
  close(): void;
}

/** Opens it. */
export async function openControl(cluster: Cluster): Promise<Control> {
  const server = createServer((request, response) => {
    const address = decodeURIComponent((request.url ?? '').slice(1));
    const node = cluster.nodes.find((each) => each.address === address);
    const done =
      node === undefined ? Promise.reject(new Error(`no node ${address}`)) : cluster.restart(node.name);
    done.then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    shell: `restart() { curl --silent --show-error --fail --max-time 60 "http://127.0.0.1:${port}/$1"; }`,
    close: () => server.close(),
  };
}
