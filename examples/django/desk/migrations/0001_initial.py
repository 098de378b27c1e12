from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=100)),
                ("pages", models.PositiveIntegerField(default=0)),
                ("enough", models.BooleanField(default=False)),
                ("begun_by", models.CharField(blank=True, max_length=60)),
                ("done_by", models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name="Tick",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("told_by", models.CharField(max_length=60)),
            ],
        ),
    ]
