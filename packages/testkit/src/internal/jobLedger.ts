import { closeSync, openSync, readSync, writeSync } from "node:fs"
import { monotonic } from "./workerProtocol.ts"

/**
 * What a worker process did with a job, at an instant of the machine's clock. `began`: the handler runs. `left`: it has ended, however.
 * `after`: it has gone on after it was blocked. `Completed` and so on: the store has accepted how it ended; `refused`: it has not.
 */
export interface Note {
  readonly worker: number
  readonly what: string
  readonly id: string
  readonly token: bigint
  readonly attempt: number
  readonly at: bigint
}

/** Appends to a ledger. A note is in the file when this returns, whoever is killed then. */
export const open = (path: string, worker: number) => {
  const file = openSync(path, "a")
  return {
    write: (what: string, { attempt, id, token }: Pick<Note, "attempt" | "id" | "token">): void =>
      void writeSync(file, `${worker} ${what} ${id} ${token} ${attempt} ${monotonic()}\n`),
    close: () => closeSync(file)
  }
}

/** Reads a ledger while it is written. */
export class Reader {
  readonly notes: Array<Note> = []
  /** How many completions it has. */
  completed = 0
  private readonly file: number
  private readonly buffer = Buffer.alloc(1 << 20)
  private position = 0
  private rest = ""
  constructor(path: string) {
    this.file = openSync(path, "a+")
  }

  /** Takes in what is new. */
  look(): void {
    for (;;) {
      const length = readSync(this.file, this.buffer, 0, this.buffer.length, this.position)
      if (length === 0) return
      this.position += length
      const lines = `${this.rest}${this.buffer.toString("latin1", 0, length)}`.split("\n")
      this.rest = lines.pop() ?? ""
      for (const line of lines) {
        const [worker, what = "", id = "", token = "0", attempt, at = "0"] = line.split(" ")
        const numbers = { worker: Number(worker), attempt: Number(attempt) }
        if (what === "Completed") this.completed++
        this.notes.push({ ...numbers, what, id, token: BigInt(token), at: BigInt(at) })
      }
    }
  }

  close(): void {
    closeSync(this.file)
  }
}
