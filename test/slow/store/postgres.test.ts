import { describeRealStore } from './suite.ts';

describeRealStore('postgres', { ttlMs: 800, ageStepMs: 300 });
