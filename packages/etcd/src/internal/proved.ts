/** For how long (ms) after a request was sent its answer proves a lease alive: less than the ttl, as clocks drift. */
export const proved = (ttl: number): number => ttl * 0.99 - 5
