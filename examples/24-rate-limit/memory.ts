import { RateLimiterStore } from "heddle/resilience"

/** The turns are counted in this process. */
export const layer = RateLimiterStore.layerMemory
