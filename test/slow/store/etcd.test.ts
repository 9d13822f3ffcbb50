import { describeRealStore } from './suite.ts';

// etcd counts leases in seconds and grants at least two; its clock shows whole seconds.
describeRealStore('etcd', { ttlMs: 2_000, ageStepMs: 2_200 });
