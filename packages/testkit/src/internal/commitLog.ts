import { KvMachine } from "heddle/coordination"
import type { Change, Entry, Reading, Watching } from "../Commits.ts"

/** What each revision changed, in order. */
export type Log = ReadonlyMap<bigint, ReadonlyMap<string, string | undefined>>

const isOf = ({ key, prefix }: Watching, changed: string): boolean => KvMachine.isOf({ key, prefix }, changed)

export const tell = (changes: Iterable<readonly [string, string | undefined]>): string =>
  Array.from(changes, ([key, value]) => value === undefined ? `-${key}` : `${key}=${value}`).sort(KvMachine.compareKeys)
    .join(" ")

export const pairs = (changes: ReadonlyArray<Change>) => changes.map(({ key, value }) => [key, value] as const)

/** All commits that anybody was told. */
export const logOf = (watches: ReadonlyArray<Watching>, wrong: Array<string>): Log => {
  const log = new Map<bigint, Map<string, string | undefined>>()
  for (const watch of watches) {
    let last = watch.from - 1n
    for (const { changes, revision } of watch.told) {
      if (revision <= last) wrong.push(`${watch.name} was told revision ${revision} after ${last}`)
      last = revision
      const known = log.get(revision) ?? new Map<string, string | undefined>()
      log.set(revision, known)
      for (const { key, value } of changes) {
        if (!isOf(watch, key)) wrong.push(`${watch.name} was told of ${key}, which it did not watch`)
        if (known.has(key) && known.get(key) !== value) {
          wrong.push(
            `revision ${revision} is ${tell([[key, known.get(key)]])}, but ${watch.name} was told ${
              tell([[key, value]])
            }`
          )
        }
        known.set(key, value)
      }
    }
  }
  return new Map([...log].sort(([one], [other]) => one < other ? -1 : 1))
}

/** A watcher was told all that is in the log of what it watched. */
export const completeness = (log: Log, watch: Watching, wrong: Array<string>): void => {
  const told = new Map(watch.told.map(({ changes, revision }) => [revision, tell(pairs(changes))]))
  const gaps: Array<string> = []
  for (const [revision, changes] of log) {
    if (revision < watch.from || revision > watch.until) continue
    const all = tell([...changes].filter(([key]) => isOf(watch, key)))
    const seen = told.get(revision) ?? ""
    if (seen !== all) gaps.push(`${watch.name} was told ${seen || "nothing"} of revision ${revision}, which is ${all}`)
  }
  const [first] = gaps
  if (first !== undefined) wrong.push(gaps.length === 1 ? first : `${first}; nor of ${gaps.length - 1} others`)
}

/** What is read at a revision is what the log up to there leads to. */
export const replay = (log: Log, readings: ReadonlyArray<Reading>, wrong: Array<string>): void => {
  const state = new Map<string, Entry>()
  const rest = [...log]
  let next = 0
  for (const reading of [...readings].sort((one, other) => one.revision < other.revision ? -1 : 1)) {
    for (let commit = rest[next]; commit !== undefined && commit[0] <= reading.revision; commit = rest[++next]) {
      const [revision, changes] = commit
      for (const [key, value] of changes) {
        if (value === undefined && !state.delete(key)) {
          wrong.push(`revision ${revision} deleted ${key}, which was absent`)
        }
        if (value !== undefined) state.set(key, { key, value, revision, created: state.get(key)?.created ?? revision })
      }
    }
    const expected = show([...state.values()].filter(({ key }) => key.startsWith(reading.prefix)))
    const found = show(reading.entries)
    if (found !== expected) {
      wrong.push(`client ${reading.client} read ${found} at revision ${reading.revision}, and the log says ${expected}`)
    }
  }
}

const show = (entries: ReadonlyArray<Entry>): string =>
  entries.map(({ created, key, revision, value }) => `${key}=${value} (${revision}, made by ${created})`)
    .sort(KvMachine.compareKeys).join(", ") || "nothing"
