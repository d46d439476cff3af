declare module "opossum" {
  export default class CircuitBreaker<A> {
    constructor(
      action: () => Promise<A>,
      options: { readonly timeout: number | false; readonly resetTimeout: number; readonly capacity?: number }
    )
    fire(): Promise<A>
    open(): void
    fallback(use: () => A): void
  }
}
