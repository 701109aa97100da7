import { SELF } from "cloudflare:test";
import { TestOperator, type Fetch } from "../support/federated-client.ts";
import { admin } from "./admin-support.ts";

export const URL = "https://isobar.example.com";

export const fetchWorker: Fetch = (url, init) => SELF.fetch(url, init);

/** `more`: what else its key says. */
export async function newOperator(tenant = "fed", more: object = {}): Promise<TestOperator> {
	const { body } = await admin("POST", "/admin/keys", { tenant, ...more });
	return new TestOperator(URL, body.key, fetchWorker);
}
