/** Tasks over a thousand keys that count how many ran, and die where two of one key run at once or out of order. */
export const keys = 1000

export interface Task {
  readonly key: number
  readonly turn: number
}

/** The tasks of all keys, in turns of all. */
export const tasks = (count: number): ReadonlyArray<Task> =>
  Array.from({ length: count }, (_, at) => ({ key: at % keys, turn: Math.floor(at / keys) }))

/** The two ends of a task. */
export class Work {
  private readonly turns = Array.from({ length: keys }, () => 0)
  private readonly running = Array.from({ length: keys }, () => false)
  enter({ key, turn }: Task): void {
    if (this.running[key] === true || this.turns[key] !== turn) throw new Error("out of order")
    this.running[key] = true
  }
  leave({ key, turn }: Task): void {
    this.running[key] = false
    this.turns[key] = turn + 1
  }
}
