import { applyD1Migrations, reset, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";

// Files share an isolate (three times faster), so each starts from empty storage.
beforeAll(async () => {
	await reset();
	await applyD1Migrations(env.CATALOG, (env as Env & { TEST_MIGRATIONS: D1Migration[] }).TEST_MIGRATIONS);
});
