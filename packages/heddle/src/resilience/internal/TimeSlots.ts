const parts = 10

/** Counts over the last so many milliseconds, kept in ten parts of it: a tenth at a time is forgotten. */
export class TimeSlots<Name extends string> {
  private readonly width: number
  private readonly zero: { readonly [Key in Name]: number }
  private readonly total: { [Key in Name]: number }
  private readonly ring: Array<{ [Key in Name]: number }>
  private part = -Infinity
  constructor(millis: number, zero: { readonly [Key in Name]: number }) {
    this.width = millis / parts
    this.zero = zero
    this.total = { ...zero }
    this.ring = Array.from({ length: parts }, () => ({ ...zero }))
  }

  /** What was counted until an instant, in monotonic milliseconds, and is not forgotten. */
  sums(now: number): { readonly [Key in Name]: number } {
    const part = Math.floor(now / this.width)
    if (part > this.part) this.forget(part)
    return this.total
  }

  add(name: Name, now: number): void {
    this.sums(now)
    const slot = this.ring[this.part % parts]
    if (slot === undefined) return
    slot[name]++
    this.total[name]++
  }

  clear(): void {
    this.ring.forEach((slot) => Object.assign(slot, this.zero))
    Object.assign(this.total, this.zero)
  }

  private forget(part: number): void {
    for (let next = Math.max(this.part + 1, part - parts + 1); next <= part; next++) {
      const slot = this.ring[next % parts]
      if (slot === undefined) continue
      for (const name in slot) {
        this.total[name] -= slot[name]
        slot[name] = this.zero[name]
      }
    }
    this.part = part
  }
}
