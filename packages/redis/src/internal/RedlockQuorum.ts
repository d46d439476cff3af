import type { LeaseBackend } from "heddle/coordination"
import { proved } from "./LeaseWaiters.ts"
import { type Held, readHeld } from "./redlockHeld.ts"
import { steps } from "./redlockLua.ts"
import type { RedlockNode } from "./RedlockNode.ts"

/** What an attempt to win most votes came to. `next` is after how many ms the one who holds may be gone. */
export type Attempt =
  | LeaseBackend.Granted
  | { readonly _tag: "Busy"; readonly next: number }
  | { readonly _tag: "Unreachable" }

/** What the quorum needs to know. Times are milliseconds. */
export interface Surroundings {
  readonly nodes: ReadonlyArray<RedlockNode>
  readonly keyOf: (resource: string) => string
  /** How long to wait for a node's answer. */
  readonly patience: number
  /** Whether a grant waits until a quorum knows its token. */
  readonly fenced: boolean
  readonly now: () => number
}

/** Asks all nodes at once and goes by what most of them say. */
export class RedlockQuorum {
  readonly size: number
  private readonly around: Surroundings
  /** For each claim that is not given back, the nodes that did not vote for it: they are asked again when it is renewed. */
  private readonly missing = new Map<string, Set<RedlockNode>>()
  private flying = 0
  /** Told when no release is on its way. */
  onIdle: (() => void) | undefined
  constructor(around: Surroundings) {
    this.around = around
    this.size = Math.floor(around.nodes.length / 2) + 1
  }

  get idle(): boolean {
    return this.flying === 0
  }

  /** Asks for the lease. What was won without a majority is given back, also what comes late. */
  async claim(claim: LeaseBackend.Claim): Promise<Attempt> {
    const { keyOf, nodes, now } = this.around
    const sentAt = now()
    const voters = nodes.filter((node) => node.votes)
    const missing = new Set(nodes)
    this.missing.set(claim.id, missing)
    const tokens: Array<number> = []
    let held = 0
    let next = Infinity
    let over = false
    const args = [claim.id, claim.owner, claim.value, claim.ttl, claim.tokens]
    const answers = voters.map(async (node) => {
      const answer = String(await node.run(steps.claim, keys(keyOf(claim.resource)), args))
      if (answer.startsWith("-")) {
        held++
        next = Math.min(next, Number(answer.slice(1)))
        return
      }
      if (over) return void this.giveBack(node, claim)
      missing.delete(node)
      tokens.push(Number(answer))
    })
    await this.most(answers, () => tokens.length >= this.size || held > nodes.length - this.size)
    const token = Math.max(...tokens)
    if (tokens.length >= this.size && await this.noted(claim, token) && this.missing.has(claim.id)) {
      return { _tag: "Granted", token: BigInt(token), until: proved(sentAt, claim.ttl) }
    }
    over = true
    this.releaseUnsafe(claim)
    return held + tokens.length >= this.size ? { _tag: "Busy", next } : { _tag: "Unreachable" }
  }

  /** Extends the lease where it is known, and takes votes that were missing; undefined where most do not know it. */
  async renew(claim: LeaseBackend.Claim): Promise<number | undefined> {
    const { keyOf, nodes, now } = this.around
    const sentAt = now()
    const at = keys(keyOf(claim.resource))
    const missing = this.missing.get(claim.id)
    let yes = 0
    let no = 0
    const answers = nodes.map(async (node) => {
      if (missing?.has(node) === true) {
        if (!node.votes) return
        const args = [claim.id, claim.owner, claim.value, claim.ttl, claim.tokens]
        if (String(await node.run(steps.claim, at, args)).startsWith("-")) return void no++
        if (!this.missing.has(claim.id)) return void this.giveBack(node, claim)
        missing.delete(node)
        yes++
      } else if (await node.run(steps.renew, at, [claim.id, claim.ttl]) === 1) yes++
      else no++
    })
    await this.most(answers, () => yes >= this.size || no > nodes.length - this.size)
    if (yes >= this.size) return proved(sentAt, claim.ttl)
    return no > nodes.length - this.size ? undefined : -Infinity
  }

  /** Gives back on all nodes; false where fewer than most have answered. */
  async release(claim: LeaseBackend.Claim): Promise<boolean> {
    const { nodes } = this.around
    this.missing.delete(claim.id)
    let done = 0
    const answers = nodes.map(async (node) => {
      await this.giveBack(node, claim)
      done++
    })
    await this.most(answers, () => done >= this.size)
    return done >= this.size
  }

  releaseUnsafe(claim: LeaseBackend.Claim): void {
    void this.release(claim)
  }

  /** Replaces the value; false where most do not know the lease, undefined where too few have answered. */
  async update(claim: LeaseBackend.Claim, value: string): Promise<boolean | undefined> {
    const { keyOf, nodes } = this.around
    let yes = 0
    let no = 0
    const answers = nodes.map(async (node) => {
      if (await node.run(steps.update, keys(keyOf(claim.resource)), [claim.id, value]) === 1) yes++
      else no++
    })
    await this.most(answers, () => yes >= this.size || no > nodes.length - this.size)
    return yes >= this.size ? true : no > nodes.length - this.size ? false : undefined
  }

  /** Who most nodes say holds the resource; undefined where too few have answered. */
  async inspect(resource: string): Promise<Held | "nobody" | undefined> {
    const { keyOf, nodes } = this.around
    const votes = new Map<string, Array<Held>>()
    let answered = 0
    const answers = nodes.map(async (node) => {
      const held = readHeld(await node.run(steps.inspect, keys(keyOf(resource)), []))
      answered++
      if (held !== undefined) votes.set(held.id, [...votes.get(held.id) ?? [], held])
    })
    await this.most(answers, () => answered === nodes.length)
    if (answered < this.size) return undefined
    return Array.from(votes.values()).find((all) => all.length >= this.size)?.[0] ?? "nobody"
  }

  /** Tells the nodes the token. Only a fenced grant waits for a quorum to know it. */
  private async noted(claim: LeaseBackend.Claim, token: number): Promise<boolean> {
    const { fenced, keyOf, nodes } = this.around
    let yes = 0
    const answers = nodes.map(async (node) => {
      const args = [claim.id, String(token), claim.tokens]
      if (await node.run(steps.note, keys(keyOf(claim.resource)), args) === 1) yes++
    })
    const told = this.most(answers, () => yes >= this.size)
    if (!fenced) return true
    await told
    return yes >= this.size
  }

  private async giveBack(node: RedlockNode, claim: LeaseBackend.Claim): Promise<void> {
    this.flying++
    try {
      await node.run(steps.release, keys(this.around.keyOf(claim.resource)), [claim.id])
    } finally {
      if (--this.flying === 0) this.onIdle?.()
    }
  }

  /** Waits until enough is known, all have answered or failed, or the patience is over. */
  private most(answers: ReadonlyArray<Promise<void>>, enough: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let left = answers.length
      const timer = setTimeout(resolve, this.around.patience)
      const settled = () => {
        left--
        if (left > 0 && !enough()) return
        clearTimeout(timer)
        resolve()
      }
      if (left === 0) settled()
      for (const answer of answers) answer.then(settled, settled)
    })
  }
}

const keys = (key: string): readonly [string, string] => [key, `${key}:f`]
