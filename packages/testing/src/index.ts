/** Public surface of `@sofa-registry/testing`: the in-process registry for tests, the simulator, and the TCP fault proxy. */
export { startTestRegistry, type TestRegistry, type TestRegistryOptions } from './test-registry.ts';
export { BatchSummary, levelOf, type RunSummary, runSeed } from './sim/batch.ts';
export { type Fault, type FaultKind, type FaultLevel, faultText } from './sim/faults.ts';
export { type ClientStep, makePlan, SETTLE_MS, type SimPlan, type SimSize } from './sim/plan.ts';
export { type Shrunk, shrink, SHRINK_RUNS_MAX } from './sim/shrink.ts';
export { runPlan, type SimResult, SimRun, type SimRunOptions, type Violation } from './sim/sim-run.ts';
export { SimNetwork, type SimNetworkOptions, SIM_NETWORK_DEFAULTS } from './sim/sim-network.ts';
export { SimHost, type SimWorld } from './sim/sim-host.ts';
export { Trace, type TraceLine, traceText } from './sim/trace.ts';
export { FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy/fault-proxy.ts';
export { ProxyLink } from './fault-proxy/link.ts';
export { HELD_BYTES_MAX } from './fault-proxy/pipe.ts';
export type { ActiveFault, ProxyFault, ProxyFaultDirection } from './fault-proxy/rule.ts';
