// Follows the service and calls whoever offers it. Run: node --conditions=development examples/quick-start/consumer.ts
import { connect } from '@sofa-registry/client';

const registry = await connect({ servers: ['127.0.0.1:9603'], app: 'hello-consumer' });
process.once('SIGINT', () => void registry.close());

const hello = registry.subscribe({ dataId: 'com.example.Hello' });
for await (const list of hello) {
  console.log(`version ${list.version}: ${list.all.length} provider(s)`);
  for (const url of list.all) {
    const answer = await fetch(url).then((response) => response.text(), String);
    console.log(`  ${url}  ${answer.trim()}`);
  }
}
