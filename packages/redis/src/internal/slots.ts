const count = 16_384

/** CRC-16 in the variant of the cluster specification (XMODEM: polynomial 0x1021, nothing reflected), a byte at a time. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  return crc
})

/** The hash slot of a key of a cluster: that of what stands in its first pair of braces, if anything does. */
export const slotOf = (key: string): number => {
  const open = key.indexOf("{")
  const close = open < 0 ? -1 : key.indexOf("}", open)
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (const byte of Buffer.from(hashed)) crc = next(crc, byte)
  return crc % count
}

const next = (crc: number, byte: number): number => ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] ?? 0)

const letters = new Set(Buffer.from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"))
/** What the table has at which place, as far as a slot can tell. */
const places = new Map(Array.from(table, (crc, place) => [crc % count, place]))
const tags = new Map<number, string>()

/** The same name in each process that hashes to that slot: the first of three letters. */
export const tagOf = (slot: number): string => {
  const known = tags.get(slot)
  if (known !== undefined) return known
  for (const first of letters) {
    for (const second of letters) {
      const crc = next(next(0, first), second)
      const place = places.get(slot ^ ((crc << 8) % count))
      const third = place === undefined ? -1 : place ^ (crc >> 8)
      if (!letters.has(third)) continue
      const tag = String.fromCharCode(first, second, third)
      tags.set(slot, tag)
      return tag
    }
  }
  return ""
}
