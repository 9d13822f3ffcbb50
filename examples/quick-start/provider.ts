// Offers a small HTTP service under a name. Run: node --conditions=development examples/quick-start/provider.ts
import { createServer } from 'node:http';
import { connect } from '@sofa-registry/client';

const server = createServer((_request, response) => response.end(`hello from ${process.pid}\n`));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
const port = address !== null && typeof address === 'object' ? address.port : 0;

const registry = await connect({ servers: ['127.0.0.1:9603'], app: 'hello-provider' });
await registry.publish({ dataId: 'com.example.Hello' }, `http://127.0.0.1:${port}`);
console.log(`offering com.example.Hello on port ${port}, Ctrl-C ends`);
process.once('SIGINT', () => void registry.close().then(() => process.exit()));
