import { applyD1Migrations, reset, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";

// Files share an isolate (three times faster), so each starts from empty storage.
beforeAll(async () => {
	await reset();
	// The version numbers start again too, so the isolate's view of them would look current.
	isolateCatalog(env).invalidate();
	await applyD1Migrations(env.CATALOG, (env as Env & { TEST_MIGRATIONS: D1Migration[] }).TEST_MIGRATIONS);
});
