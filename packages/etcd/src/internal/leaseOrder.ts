import type { Entry } from "./leaseKeys.ts"
import type { View } from "./leaseView.ts"

/** A claim in line, as far as who tells it of its turn must know it. */
export type Known = Pick<Entry, "id" | "revision" | "session">

/**
 * Who comes after whom in a line, as far as this process knows: the claims of the revisions above `after` up to `upTo`,
 * all of them. Some may have left meanwhile; nobody has come between.
 */
export class Order {
  private known: ReadonlyArray<Known> = []
  private after = 0n
  private upTo = 0n

  /** `entries` are all claims of the revisions above `after` up to `upTo`, in order. */
  learn(entries: ReadonlyArray<Known>, after: bigint, upTo: bigint): void {
    if (upTo <= this.upTo) return
    const joined = after >= this.after && after <= this.upTo
    if (!joined) this.after = after
    this.known = joined ? this.known.filter(({ revision }) => revision <= after).concat(entries) : entries
    this.upTo = upTo
  }

  /** A view is the whole line up to its revision. */
  learnFrom({ entries, revision }: View): void {
    this.learn([...entries.values()], 0n, revision)
  }

  /** Those who came after a claim, as far as known. */
  behind(revision: bigint): ReadonlyArray<Known> {
    return revision < this.after ? [] : this.known.filter((known) => known.revision > revision)
  }
}

/** What is written to a session's key: the claims whose turn it is, and who comes behind them. */
export interface News {
  readonly told: ReadonlyArray<Known>
  readonly behind: ReadonlyArray<Known>
}

const lineOf = (sign: string) => ({ id, revision, session }: Known) => `${sign}${id} ${revision} ${session}`

export const encodeNews = ({ behind, told }: News): string =>
  [...told.map(lineOf("+")), ...behind.map(lineOf("-"))].join("\n")

export const decodeNews = (text: string): News => {
  const news = { told: new Array<Known>(), behind: new Array<Known>() }
  for (const [, sign, id = "", revision = "", session = ""] of text.matchAll(/^([+-])(\S+) (\d+) (-?\d+)$/gm)) {
    news[sign === "+" ? "told" : "behind"].push({ id, revision: BigInt(revision), session: BigInt(session) })
  }
  return news
}
