import { defineConfig } from "drizzle-kit";

export default defineConfig({
	dialect: "sqlite",
	schema: "./src/shared/catalog/tables.ts",
	out: "./migrations",
});
