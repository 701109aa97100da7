import { Hono } from "hono";

const app = new Hono<{ Bindings: Env }>();

app.get("/healthz", (c) => c.json({ ok: true }));

export default app;
export { Ledger } from "../durable-objects/ledger.ts";
export { Scheduler } from "../durable-objects/scheduler.ts";
