/** What a process that a supervisor started says over its channel once all its roles serve. */
export const SERVING = 'serving';
