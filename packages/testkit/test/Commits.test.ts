import { assert, describe, it } from "@effect/vitest"
import { Commits } from "@heddle/testkit"

const change = (text: string): Commits.Change => {
  const [key = "", value] = text.startsWith("-") ? [text.slice(1)] : text.split("=")
  return { key, value }
}

/** A commit between two instants; without a revision it was not answered with one, without a return not at all. */
const commit = (
  invoked: number,
  returned: number,
  revision: bigint | undefined,
  ...changes: ReadonlyArray<string>
) => ({
  client: "1",
  invoked,
  returned,
  revision,
  changes: changes.map(change)
})

const watching = (
  target: string,
  told: Readonly<Record<string, string>>,
  { from = 1n, until = 5n }: { readonly from?: bigint; readonly until?: bigint } = {}
): Commits.Watching => ({
  name: `the watch of ${target}`,
  key: target.replace("*", ""),
  prefix: target.endsWith("*"),
  from,
  until,
  told: Object.entries(told).map(([revision, changes]) => ({
    revision: BigInt(revision),
    changes: changes.split(" ").map(change)
  }))
})

const reading = (invoked: number, revision: bigint, ...entries: ReadonlyArray<readonly [string, bigint, bigint]>) => ({
  client: "2",
  invoked,
  returned: invoked + 1,
  prefix: "",
  revision,
  entries: entries.map(([text, revision, created]) => {
    const { key, value = "" } = change(text)
    return { key, value, revision, created }
  })
})

const log = { 1: "a=1", 2: "b=2", 3: "a=3 b=4", 4: "-a", 5: "c=5" }
const commits = [
  commit(0, 1, 1n, "a=1"),
  commit(2, Infinity, undefined, "b=2"),
  commit(4, 5, 3n, "a=3", "b=4"),
  commit(6, 7, undefined, "-a"),
  commit(6, Infinity, undefined, "a=6"),
  commit(8, 9, 5n, "c=5")
]
const watches = [
  watching("*", log),
  watching("a", { 1: "a=1", 3: "a=3", 4: "-a" }),
  watching("b*", { 3: "b=4" }, { from: 3n })
]
const readings = [
  reading(1.5, 1n, ["a=1", 1n, 1n]),
  reading(5.5, 3n, ["a=3", 3n, 1n], ["b=4", 3n, 2n]),
  reading(20, 5n, ["b=4", 3n, 2n], ["c=5", 5n, 5n])
]
const account = (more: Partial<Commits.Account> = {}): Commits.Account => ({ commits, watches, readings, ...more })

const bad = (title: string, says: string, wrong: Partial<Commits.Account>) =>
  it(title, () => {
    const found = Commits.check(account(wrong))
    assert.include(found.join("\n"), says)
  })

describe("what watchers were told", () => {
  it("is the commits, once and in order", () => assert.deepStrictEqual(Commits.check(account()), []))

  bad("with a gap", "the watch of a was told nothing of revision 3, which is a=3", {
    watches: [...watches, watching("a", { 1: "a=1", 4: "-a" })]
  })
  bad("without its end", "was told nothing of revision 5", {
    watches: [...watches, watching("*", { 4: "-a" }, { from: 4n })]
  })
  bad("twice", "was told revision 1 after 1", {
    watches: [{
      ...watching("a", {}),
      until: 1n,
      told: [1n, 1n].map((revision) => ({ revision, changes: [change("a=1")] }))
    }, ...watches]
  })
  bad("out of order", "was told revision 1 after 3", {
    watches: [
      ...watches,
      {
        ...watching("a", {}),
        until: 3n,
        told: [{ revision: 3n, changes: [change("a=3")] }, { revision: 1n, changes: [change("a=1")] }]
      }
    ]
  })
  bad("of what was before", "was told revision 1 after 1", {
    watches: [...watches, watching("a", { 1: "a=1", 3: "a=3", 4: "-a" }, { from: 2n })]
  })
  bad("of a half of a transaction", "was told a=3 of revision 3, which is a=3 b=4", {
    watches: [...watches, watching("*", { 3: "a=3" }, { from: 3n, until: 3n })]
  })
  bad("otherwise than others", "revision 1 is a=1, but the watch of a was told a=7", {
    watches: [...watches, watching("a", { 1: "a=7" }, { until: 1n })]
  })
  bad("of another's key", "was told of b, which it did not watch", {
    watches: [...watches, watching("a", { 1: "a=1", 2: "b=2" }, { until: 2n })]
  })
})

describe("the log", () => {
  bad("without a commit that was acknowledged", "x=9 was answered revision 2, which in the log is b=2", {
    commits: [...commits, commit(2, 3, 2n, "x=9")]
  })
  bad("without a deletion that was acknowledged", "-a was acknowledged 2 times, and is in the log 1 times", {
    commits: [...commits, commit(6, 7, undefined, "-a")]
  })
  bad("with a half of a transaction", "a=3 b=4 was acknowledged 1 times, and is in the log 0 times", {
    watches: [watching("*", { ...log, 3: "a=3" })]
  })
  bad("with what nobody committed", "revision 5 is c=5, which nobody committed", { commits: commits.slice(0, -1) })
  bad("with a commit that was made twice", "b=2 was committed 1 times, and is in the log at revisions 2, 6", {
    watches: [watching("*", { ...log, 6: "b=2" }, { until: 6n })]
  })
  bad("against real time", "committed at revision 2 after client 1 had returned with revision 3", {
    commits: commits.map((one) => one.changes[0]?.key === "b" ? commit(5.2, Infinity, undefined, "b=2") : one)
  })
  bad("that deletes what is not there", "revision 6 deleted a, which was absent", {
    watches: [watching("*", { ...log, 6: "-a" }, { until: 6n })],
    commits: [...commits, commit(10, 11, undefined, "-a")],
    readings: [...readings, reading(30, 6n)]
  })
})

describe("what was read", () => {
  bad("before what was acknowledged", "client 2 read at revision 1 after client 1 had returned with revision 3", {
    readings: [...readings, reading(5.5, 1n, ["a=1", 1n, 1n])]
  })
  bad("with a half of a transaction", "and the log says a=3 (3, made by 1), b=4 (3, made by 2)", {
    readings: [reading(5.5, 3n, ["a=3", 3n, 1n], ["b=2", 2n, 2n])]
  })
  bad("with another revision of its making", "c=5 (5, made by 4)", {
    readings: [reading(20, 5n, ["b=4", 3n, 2n], ["c=5", 5n, 4n])]
  })
})
