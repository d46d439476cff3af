import type { Commit, Reading } from "../Commits.ts"
import { type Log, pairs, tell } from "./commitLog.ts"

/** What identifies a commit: all that it wrote, or the one key that it deleted. Keys that end together may be one commit. */
const marksOf = (changes: ReadonlyArray<readonly [string, string | undefined]>): ReadonlyArray<string> =>
  changes.every(([, value]) => value === undefined) ? changes.map((change) => tell([change])) : [tell(changes)]

/** Finds each commit in the log, and its revision where it can be told. */
export const attribution = (
  log: Log,
  commits: ReadonlyArray<Commit>,
  wrong: Array<string>
): ReadonlyMap<Commit, bigint> => {
  const made = new Map<string, Array<bigint>>()
  for (const [revision, changes] of log) {
    for (const mark of marksOf([...changes])) made.set(mark, [...made.get(mark) ?? [], revision])
  }
  const revisions = new Map<Commit, bigint>()
  const by = Map.groupBy(
    commits.flatMap((commit) => marksOf(pairs(commit.changes)).map((mark) => ({ commit, mark }))),
    ({ mark }) => mark
  )
  for (const [mark, all] of by) {
    const logged = made.get(mark) ?? []
    const acknowledged = all.filter(({ commit }) => commit.returned < Infinity).length
    if (logged.length < acknowledged) {
      wrong.push(`${mark} was acknowledged ${acknowledged} times, and is in the log ${logged.length} times`)
    }
    if (logged.length > all.length) {
      wrong.push(`${mark} was committed ${all.length} times, and is in the log at revisions ${logged.join(", ")}`)
    }
    for (const { commit } of all) {
      const only = all.length === 1 ? logged[0] : undefined
      const revision = commit.revision ?? only
      if (revision !== undefined) revisions.set(commit, revision)
      if (commit.revision !== undefined && !logged.includes(commit.revision)) {
        wrong.push(
          `${mark} was answered revision ${commit.revision}, which in the log is ${told(log, commit.revision)}`
        )
      }
    }
  }
  for (const [mark, logged] of made) {
    if (!by.has(mark)) wrong.push(`revision ${logged.join(", ")} is ${mark}, which nobody committed`)
  }
  return revisions
}

const told = (log: Log, revision: bigint): string => tell(log.get(revision) ?? []) || "nothing"

interface Instant {
  readonly invoked: number
  readonly returned: number
  readonly client: string
  readonly revision: bigint
  readonly reads: boolean
}

/** What was done after another had returned has the higher revision; a reading has at least as high a one. */
export const realTime = (
  commits: ReadonlyArray<Commit>,
  revisions: ReadonlyMap<Commit, bigint>,
  readings: ReadonlyArray<Reading>,
  wrong: Array<string>
): void => {
  const all = [
    ...commits.flatMap((commit): ReadonlyArray<Instant> => {
      const { client, invoked, returned } = commit
      const revision = revisions.get(commit)
      return revision === undefined ? [] : [{ client, invoked, returned, revision, reads: false }]
    }),
    ...readings.map(({ client, invoked, returned, revision }) => ({ client, invoked, returned, revision, reads: true }))
  ]
  const begun = [...all].sort((one, other) => one.invoked - other.invoked)
  const ended = [...all].sort((one, other) => one.returned - other.returned)
  let highest: Instant | undefined
  let next = 0
  for (const one of begun) {
    for (let past = ended[next]; past !== undefined && past.returned < one.invoked; past = ended[++next]) {
      if (highest === undefined || past.revision > highest.revision) highest = past
    }
    if (highest === undefined || highest.revision < one.revision) continue
    if (highest.revision === one.revision && one.reads) continue
    wrong.push(
      `client ${one.client} ${one.reads ? "read" : "committed"} at revision ${one.revision} after client`
        + ` ${highest.client} had returned with revision ${highest.revision}`
    )
  }
}
