import type { Request } from "../RateLimiterStore.ts"
import { type Decision, RateMachine, type Rule } from "../RateMachine.ts"

/** The machines of all keys. Those that have nothing to remember are dropped: every sixteenth call looks at 32. */
export class Machines {
  private readonly now: () => number
  private readonly machines = new Map<string, RateMachine>()
  private looking = this.machines.entries()
  private calls = 0
  /** How many were dropped. */
  private drops = 0
  constructor(now: () => number) {
    this.now = now
  }

  get size(): number {
    return this.machines.size
  }

  reserve({ cost, key, patience, rule }: Request): Decision {
    const at = this.now()
    this.called(at)
    return this.machineOf(key, rule).reserve(at, cost, patience)
  }

  /** Takes turns of one key, however long somebody keeps it: a machine that may have been dropped is looked for again. */
  taking(key: string, rule: Rule): (cost: number) => number {
    let machine: RateMachine | undefined
    let drops = 0
    return (cost) => {
      const at = this.now()
      this.called(at)
      if (machine === undefined || drops !== this.drops) {
        machine = this.machineOf(key, rule)
        drops = this.drops
      }
      return machine.take(at, cost)
    }
  }

  refund(key: string, at: number, cost: number): void {
    this.machines.get(key)?.refund(at, cost)
  }

  private machineOf(key: string, rule: Rule): RateMachine {
    let machine = this.machines.get(key)
    if (machine === undefined) this.machines.set(key, machine = new RateMachine(rule))
    return machine
  }

  private called(at: number): void {
    if (++this.calls % 16 > 0) return
    for (let looks = 0; looks < 32; looks++) {
      const { done, value } = this.looking.next()
      if (done === true) {
        this.looking = this.machines.entries()
        return
      }
      if (value[1].isIdle(at) && this.machines.delete(value[0])) this.drops++
    }
  }
}
