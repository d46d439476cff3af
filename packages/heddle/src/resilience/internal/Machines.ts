import type { Request } from "../RateLimiterStore.ts"
import { type Decision, RateMachine } from "../RateMachine.ts"

/** The machines of all keys. Those that have nothing to remember are dropped: every sixteenth call looks at 32. */
export class Machines {
  private readonly now: () => number
  private readonly machines = new Map<string, RateMachine>()
  private looking = this.machines.entries()
  private calls = 0
  constructor(now: () => number) {
    this.now = now
  }

  get size(): number {
    return this.machines.size
  }

  reserve({ cost, key, patience, rule }: Request): Decision {
    const at = this.now()
    if (++this.calls % 16 === 0) this.tidy(at)
    let machine = this.machines.get(key)
    if (machine === undefined) this.machines.set(key, machine = new RateMachine(rule))
    return machine.reserve(at, cost, patience)
  }

  refund(key: string, at: number, cost: number): void {
    this.machines.get(key)?.refund(at, cost)
  }

  private tidy(at: number): void {
    for (let looks = 0; looks < 32; looks++) {
      const { done, value } = this.looking.next()
      if (done === true) {
        this.looking = this.machines.entries()
        return
      }
      if (value[1].isIdle(at)) this.machines.delete(value[0])
    }
  }
}
