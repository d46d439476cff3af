/** At least so many are remembered. */
const memory = 1000

/**
 * Keys of this process that nobody holds by any more: they have been deleted or are about to be.
 *
 * A key stays known for a while after its deletion, because a read that was under way then still shows it.
 */
export class Leaving {
  private young = new Set<string>()
  private old = new Set<string>()

  add(key: string): void {
    if (this.young.size >= memory) {
      this.old = this.young
      this.young = new Set()
    }
    this.young.add(key)
  }

  has(key: string): boolean {
    return this.young.has(key) || this.old.has(key)
  }
}
