import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		reporters: ["default", "./test/reporter.ts"],
		// Tests of running Workers mostly wait: four at a time fill two cores.
		maxWorkers: 4,
		projects: [
			{
				// No test is about speed, and a crowded machine is slow.
				test: {
					name: "unit",
					include: ["test/unit/**/*.test.ts", "test/simulator/**/*.test.ts"],
					isolate: false,
					testTimeout: 60_000,
				},
			},
			{
				plugins: [
					cloudflareTest(async () => ({
						wrangler: { configPath: "./wrangler.toml" },
						miniflare: {
							bindings: {
								ADMIN_TOKEN: "test-admin-token",
								TEST_MIGRATIONS: await readD1Migrations("migrations"),
								// The plugin keeps requests from settling one another's promises, as the platform lets them.
								SETTINGS: JSON.stringify({ renewSeconds: 0.3, logRequests: false, assignTogetherMax: 1 }),
							},
						},
					})),
				],
				test: {
					name: "workers",
					include: ["test/workers/**/*.test.ts"],
					setupFiles: ["test/workers/setup.ts"],
					isolate: false,
					testTimeout: 30_000,
				},
			},
			{
				test: {
					name: "clients",
					include: ["test/clients/**/*.test.ts", "test/scripts/**/*.test.ts"],
					globalSetup: ["test/support/bundle-once.ts"],
					isolate: false,
					testTimeout: 30_000,
					hookTimeout: 60_000,
				},
			},
		],
	},
});
