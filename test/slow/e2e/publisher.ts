/** A publisher in a process of its own, to be killed: `publisher.ts <http address> <dataId> <value>`. */
import { connect } from '@sofa-registry/client';

const [server, dataId, value] = process.argv.slice(2);
const registry = await connect({ servers: [server], app: 'e2e-publisher' });
await registry.publish({ dataId }, value);
process.stdout.write('published\n');
