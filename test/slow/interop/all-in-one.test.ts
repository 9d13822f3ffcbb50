import { officialClientSuite } from './scenarios.ts';

officialClientSuite('all-in-one');
