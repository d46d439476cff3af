/**
 * Lists as Lua's `cmsgpack` reads and writes them: a list of many parts in one argument costs client and server a fraction of what
 * as many arguments would.
 */
import type { Args, Reply } from "./kvScript.ts"

/** Flat lists of operations, one behind the other, as one list. */
export const pack = (lists: ReadonlyArray<Args>): Buffer => {
  let bytes = Buffer.allocUnsafe(1024)
  let at = 0
  const room = (size: number): void => {
    if (at + size <= bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, at + size))
    bytes.copy(larger, 0, 0, at)
    bytes = larger
  }
  const head = (short: number, most: number, long: number, size: number): void => {
    if (size <= most) bytes[at++] = short + size
    else {
      bytes[at] = long
      bytes.writeUInt32BE(size, at + 1)
      at += 5
    }
  }
  const text = (value: string): void => {
    const size = value.length
    room(5 + 3 * size)
    const from = at
    if (size <= 31) {
      bytes[at++] = 0xa0 + size
      for (let i = 0; i < size; i++) {
        const code = value.charCodeAt(i)
        if (code > 127) break
        bytes[at++] = code
      }
      if (at === from + 1 + size) return
      at = from
    }
    bytes[from] = 0xdb
    const written = bytes.write(value, from + 5)
    bytes.writeUInt32BE(written, from + 1)
    at = from + 5 + written
  }
  const number = (value: number): void => {
    room(9)
    if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return head(0, 127, 0xce, value)
    bytes[at] = 0xcb
    bytes.writeDoubleBE(value, at + 1)
    at += 9
  }
  bytes[at] = 0xdd
  bytes.writeUInt32BE(lists.reduce((sum, { length }) => sum + length, 0), at + 1)
  at += 5
  for (const list of lists) {
    for (const one of list) {
      if (typeof one === "string") text(one)
      else if (typeof one === "number") number(one)
      else {
        room(5 + one.length)
        head(0xa0, 31, 0xdb, one.length)
        at += one.copy(bytes, at)
      }
    }
  }
  return bytes.subarray(0, at)
}

/** What a script answers. Texts are parts of the reply. */
export const unpack = (bytes: Buffer): Reply => {
  let at = 0
  const cut = (size: number): Buffer => bytes.subarray(at, at += size)
  const list = (size: number): ReadonlyArray<Reply> => {
    const all: Array<Reply> = []
    for (let i = 0; i < size; i++) all.push(read())
    return all
  }
  const whole = (size: number): number => {
    at += size
    return bytes.readUIntBE(at - size, size)
  }
  const read = (): Reply => {
    const head = bytes[at++] ?? 0xc0
    if (head < 0x80) return head
    if (head >= 0xe0) return head - 0x100
    if (head >= 0xa0 && head < 0xc0) return cut(head & 0x1f)
    if (head >= 0x90 && head < 0xa0) return list(head & 0x0f)
    switch (head) {
      case 0xc4:
      case 0xd9:
        return cut(whole(1))
      case 0xc5:
      case 0xda:
        return cut(whole(2))
      case 0xc6:
      case 0xdb:
        return cut(whole(4))
      case 0xdc:
        return list(whole(2))
      case 0xdd:
        return list(whole(4))
      case 0xcc:
        return whole(1)
      case 0xcd:
        return whole(2)
      case 0xce:
        return whole(4)
      case 0xcf:
      case 0xd3: {
        const high = whole(4)
        return (head === 0xd3 ? high | 0 : high) * 0x1_0000_0000 + whole(4)
      }
      case 0xd0:
        at += 1
        return bytes.readInt8(at - 1)
      case 0xd1:
        at += 2
        return bytes.readInt16BE(at - 2)
      case 0xd2:
        at += 4
        return bytes.readInt32BE(at - 4)
      case 0xcb:
        at += 8
        return bytes.readDoubleBE(at - 8)
      // An empty table of Lua is a map.
      case 0x80:
        return []
      default:
        return null
    }
  }
  return read()
}
