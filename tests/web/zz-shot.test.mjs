import { browserTest } from './harness.mjs';
import { open } from './page.mjs';
for (const [w, h] of [[1280, 900], [390, 844]]) {
  browserTest(`shot ${w}`, { context: { viewport: { width: w, height: h } } }, async ({ page, origin }) => {
    await open(page, origin, { path: '#models' });
    await page.setViewportSize({ width: w, height: w > 1000 ? 5200 : 7200 });
    await page.waitForTimeout(800);
    await page.screenshot({ path: `/tmp/shot-${w}.png` });
    const card = page.locator('#view-models .card', { hasText: 'Llama 3.2 1B · SpinQuant' });
    await card.getByRole('button').click();
    await page.waitForTimeout(500);
    await page.locator('#link-form').screenshot({ path: `/tmp/shot-${w}-token.png` });
    await card.screenshot({ path: `/tmp/shot-${w}-card.png` });
  });
}
