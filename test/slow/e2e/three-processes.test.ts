import { e2eSuite } from './scenarios.ts';

e2eSuite('three processes');
