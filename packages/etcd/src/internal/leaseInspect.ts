import type { Lease } from "heddle/coordination"
import type { View } from "./leaseFollow.ts"
import * as Keys from "./leaseKeys.ts"

/** What `inspect` shows of a line. `now` is this process's wall clock; a claimant's clock may be ahead of it. */
export const inspection = (view: View, leaving: Keys.Leaving, now: number): Lease.Inspection => {
  const holding = new Set(view.holders(leaving))
  const holders: Array<Lease.HolderInfo> = []
  const waiters: Array<Lease.WaiterInfo> = []
  for (const entry of view.entries.values()) {
    if (leaving.has(entry.key)) continue
    const { owner, since, value } = Keys.decodeNote(entry.value)
    const { id, permits, revision } = entry
    const age = Math.max(0, now - since)
    if (holding.has(entry)) holders.push({ id, owner, value, permits, token: Keys.tokenOf(revision), age })
    else waiters.push({ id, owner, permits, age })
  }
  return { holders, waiters }
}
