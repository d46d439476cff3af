/** What main and thread say to each other. All of it can be cloned. */

/** A task's name in its group, and its encoded payload. */
export type Call = readonly [id: number, task: string, payload: unknown]

/** The first order brings the slots, and is replied to with id 0; all others bring calls. */
export type Order = SharedArrayBuffer | ReadonlyArray<Call>

/** A value or a failure, both encoded, or a defect as text. */
export type Reply = readonly [id: number, how: "value" | "failure" | "defect", what: unknown]

/** So many calls of a thread are known at a time at most, with those that were taken back. */
export const span = 256

/**
 * A slot for each call that a thread was sent and has not begun. It holds the call's id, and the thread begins it by making that
 * negative; main takes it back by making it 0. So each call begins once or not at all, and main knows which had begun in a thread
 * that is dead.
 */
export class Slots {
  readonly buffer: SharedArrayBuffer
  private readonly ids: Int32Array<SharedArrayBuffer>
  constructor(buffer = new SharedArrayBuffer(4 * span)) {
    this.buffer = buffer
    this.ids = new Int32Array(buffer)
  }

  set(id: number): void {
    Atomics.store(this.ids, id % span, id)
  }

  begin(id: number): boolean {
    return Atomics.compareExchange(this.ids, id % span, id, -id) === id
  }

  takeBack(id: number): boolean {
    return Atomics.compareExchange(this.ids, id % span, id, 0) === id
  }

  hasBegun(id: number): boolean {
    return Atomics.load(this.ids, id % span) === -id
  }
}
