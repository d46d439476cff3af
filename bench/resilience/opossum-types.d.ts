declare module "opossum" {
  export default class CircuitBreaker<A> {
    constructor(action: () => Promise<A>, options: { readonly timeout: false; readonly resetTimeout: number })
    fire(): Promise<A>
    open(): void
  }
}
