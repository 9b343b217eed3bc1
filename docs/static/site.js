// What the theme leaves out for readers by keyboard and by ear.
document.addEventListener("DOMContentLoaded", () => {
  // A button is called by the text that it shows.
  for (const one of document.querySelectorAll(".search-button-field")) one.removeAttribute("aria-label");
  for (const one of document.querySelectorAll("nav summary")) {
    const link = one.closest("li")?.querySelector("a");
    if (!one.textContent.trim()) one.setAttribute("aria-label", `Pages of ${link?.textContent.trim() || "section"}`);
  }
  // What scrolls is reached by keyboard.
  const reach = () => {
    for (const one of document.querySelectorAll(".bd-content table, .bd-content pre, .bd-content .equation"))
      if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
  };
  reach();
  addEventListener("resize", reach);
});
