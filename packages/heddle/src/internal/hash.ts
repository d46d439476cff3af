/** Spreads the bits of a number over all of it (the finalizer of MurmurHash3, A. Appleby). */
export const mix = (seed: number): number => {
  let hash = seed
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A whole number from 0 to 2^32 - 1: FNV-1a over the code units, mixed. */
export const hash = (text: string, seed: number): number => {
  let sum = seed
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  return mix(sum)
}
