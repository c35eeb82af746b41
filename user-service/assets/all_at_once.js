// Lets all programs write the field at the same moment. The rest of the page needs no script.
'use strict';
const form = document.getElementById('write');
const all = document.getElementById('all');
const buttons = [...document.querySelectorAll('.program button.at-once')];
all.hidden = false;

// Returns the id of the program if it wrote the field: then it leads back to this page.
async function write(button) {
  const body = new URLSearchParams(new FormData(form));
  const response = await fetch(button.formAction, { method: 'POST', body, redirect: 'manual' });
  return response.type === 'opaqueredirect' ? button.dataset.id : undefined;
}

all.addEventListener('click', async () => {
  if (!form.reportValidity()) {
    return;
  }
  all.disabled = true;
  // without a session each program would begin one of its own
  await write(buttons[0]);
  const ids = await Promise.all(buttons.map((button) => write(button).catch(() => undefined)));
  if (!ids.some(Boolean)) {
    // this shows the reason
    form.requestSubmit(buttons[0]);
    return;
  }
  const query = new URLSearchParams({ wrote: form.elements.name.value, by: ids.filter(Boolean).join() });
  location.assign(`${location.pathname}?${query}`);
});
