/** `pg` ships no types; `postgres-pool.ts` names the parts it uses. */
declare module 'pg';
