/**
 * Heddle's stores on PostgreSQL.
 *
 * @since 0.1.0
 */
export * as Postgres from "./Postgres.ts"
export * as PostgresAdvisoryLeaseStore from "./PostgresAdvisoryLeaseStore.ts"
export * as PostgresBroker from "./PostgresBroker.ts"
export * as PostgresJobStore from "./PostgresJobStore.ts"
export * as PostgresKvStore from "./PostgresKvStore.ts"
export * as PostgresLeaseStore from "./PostgresLeaseStore.ts"
export * as PostgresLogStore from "./PostgresLogStore.ts"
export * as PostgresOutbox from "./PostgresOutbox.ts"
