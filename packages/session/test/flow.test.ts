import { describe, expect, it } from 'vitest';
import { idOf, TestCluster } from './support/test-cluster.ts';

describe('publish and subscribe through a session', () => {
  it('forwards a publisher to its leader and pushes the list to a subscriber', async () => {
    const cluster = await TestCluster.start();
    const provider = await cluster.client();
    const consumer = await cluster.client();
    const answer = await cluster.run(
      provider.publish({ dataId: 's', registId: 'p1', version: 7 }, ['10.0.0.1:80']),
    );
    expect(answer).toEqual({
      success: true,
      registId: 'p1',
      version: 7,
      refused: false,
      message: 'Publisher register success!',
    });
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p1']);
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    expect(consumer.list('s1')).toEqual(['10.0.0.1:80']);
    await cluster.run(provider.publish({ dataId: 's', registId: 'p2' }, ['10.0.0.2:80']));
    await cluster.clock.advance(250);
    expect(consumer.list('s1')).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
    await cluster.run(provider.unpublish({ dataId: 's', registId: 'p1', version: 8 }));
    await cluster.clock.advance(250);
    expect(consumer.list('s1')).toEqual(['10.0.0.2:80']);
    cluster.session.kill();
  });
});
