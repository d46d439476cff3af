/** Where health is asked for. These are answered to the last. */
export const probes = { live: "/livez", ready: "/readyz" } as const
