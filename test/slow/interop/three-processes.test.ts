import { officialClientSuite } from './scenarios.ts';

officialClientSuite('three processes');
