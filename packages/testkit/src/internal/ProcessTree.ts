import { readdirSync, readFileSync } from "node:fs"

/** Marks the command line of the watchdog shell, which is in the tree and is never signalled on its own. */
export const watchdogMark = "heddle-watchdog"

/** Sends a signal to each process; one that is gone already is passed over. */
export const signal = (pids: Iterable<number>, name: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // gone
    }
  }
}

/**
 * The process and all below it, without the watchdog.
 *
 * Found by parent id, not by process group: PostgreSQL gives each backend a group of its own. Where there is no `/proc` the
 * process stands alone.
 */
export const members = (root: number): ReadonlyArray<number> => {
  const parents = new Map(entries("/proc").map((pid) => [pid, Number(stat(`/proc/${pid}/stat`)[1])] as const))
  const found = [root]
  for (const parent of found) {
    for (const [pid, above] of parents) if (above === parent) found.push(pid)
  }
  return found.filter((pid) => !read(`/proc/${pid}/cmdline`).includes(watchdogMark))
}

/** Whether every thread of the process is stopped: SIGSTOP reaches the threads of a process one after another. */
export const isStopped = (pid: number): boolean =>
  entries(`/proc/${pid}/task`).every((thread) => /^[TtZX]$/.test(stat(`/proc/${pid}/task/${thread}/stat`)[0] ?? "X"))

/** Whether the process has ended, also where nobody has asked for its exit code yet. */
export const isGone = (pid: number): boolean => /^[ZX]?$/.test(stat(`/proc/${pid}/stat`)[0] ?? "")

const entries = (folder: string): ReadonlyArray<number> => {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name)).map(Number)
  } catch {
    return []
  }
}

// The fields of a stat file after the command, which may itself hold blanks and brackets: state, parent, group, …
const stat = (path: string): ReadonlyArray<string> => {
  const text = read(path)
  return text === "" ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ")
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}
