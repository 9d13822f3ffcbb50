import { describeRealStore } from './suite.ts';

describeRealStore('mariadb', { ttlMs: 800, ageStepMs: 300 });
