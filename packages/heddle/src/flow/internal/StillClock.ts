/** A clock that can be held: what happens on one stack happens at one instant, and the time is read for it once. */
export class StillClock {
  private readonly read: () => number
  private held = false
  private instant: number | undefined
  constructor(read: () => number) {
    this.read = read
  }

  readonly now = (): number => this.held ? this.instant ??= this.read() : this.read()

  hold(run: () => void): void {
    this.held = true
    try {
      run()
    } finally {
      this.held = false
      this.instant = undefined
    }
  }
}
